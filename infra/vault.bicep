param location string
param tags object

@maxLength(24)
param name string

// Administrators' secrets: MySQL administrators, guacadmin, the control plane's own database accounts. The right to them is in
// rights.bicep.
resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    enablePurgeProtection: true
  }
}

output url string = vault.properties.vaultUri

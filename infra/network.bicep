param location string
param tags object
param addressPrefix string

// The app goes out through one address, so that a jump server's ingress can let exactly the control plane in.
resource egress 'Microsoft.Network/publicIPAddresses@2024-05-01' = {
  name: 'control-egress'
  location: location
  tags: tags
  sku: { name: 'Standard' }
  properties: { publicIPAllocationMethod: 'Static' }
}

resource gateway 'Microsoft.Network/natGateways@2024-05-01' = {
  name: 'control-nat'
  location: location
  tags: tags
  sku: { name: 'Standard' }
  properties: { publicIpAddresses: [{ id: egress.id }] }
}

// /26 for the app's instances; the upper half of the network for one private endpoint a jump server.
var integrationPrefix = cidrSubnet(addressPrefix, 26, 0)
var endpointPrefix = cidrSubnet(addressPrefix, 21, 1)

resource endpointRules 'Microsoft.Network/networkSecurityGroups@2024-05-01' = {
  name: 'control-endpoints-nsg'
  location: location
  tags: tags
  properties: {
    securityRules: [
      {
        name: 'allow-app'
        properties: {
          description: 'The control plane reaches the databases of its jump servers.'
          priority: 100
          direction: 'Inbound'
          access: 'Allow'
          protocol: 'Tcp'
          sourceAddressPrefix: integrationPrefix
          sourcePortRange: '*'
          destinationAddressPrefix: endpointPrefix
          destinationPortRange: '3306'
        }
      }
      {
        name: 'deny-everything-else'
        properties: {
          priority: 4096
          direction: 'Inbound'
          access: 'Deny'
          protocol: '*'
          sourceAddressPrefix: '*'
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '*'
        }
      }
    ]
  }
}

resource network 'Microsoft.Network/virtualNetworks@2024-05-01' = {
  name: 'control-vnet'
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: [addressPrefix] }
    subnets: [
      {
        name: 'integration'
        properties: {
          addressPrefix: integrationPrefix
          natGateway: { id: gateway.id }
          defaultOutboundAccess: false
          // Flex Consumption integrates by this delegation.
          delegations: [{ name: 'app', properties: { serviceName: 'Microsoft.App/environments' } }]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: endpointPrefix
          networkSecurityGroup: { id: endpointRules.id }
          defaultOutboundAccess: false
          privateEndpointNetworkPolicies: 'NetworkSecurityGroupEnabled'
        }
      }
    ]
  }

  resource integration 'subnets' existing = { name: 'integration' }
  resource endpoints 'subnets' existing = { name: 'endpoints' }
}

// The names of all jump servers' databases as the app sees them; each jump server writes its own record.
resource zone 'Microsoft.Network/privateDnsZones@2020-06-01' = {
  name: 'privatelink.mysql.database.azure.com'
  location: 'global'
  tags: tags

  resource link 'virtualNetworkLinks' = {
    name: 'control-vnet'
    location: 'global'
    tags: tags
    properties: { registrationEnabled: false, virtualNetwork: { id: network.id } }
  }
}

output integrationSubnetId string = network::integration.id
output endpointSubnetId string = network::endpoints.id
output dnsZoneId string = zone.id
output egress string = '${egress.properties.ipAddress}/32'

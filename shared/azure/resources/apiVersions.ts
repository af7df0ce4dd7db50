export const networkApiVersion = '2026-01-01';

/** @azure/arm-mysql-flexible 3.1 speaks 2021-05-01, which drops `publicNetworkAccess`; servers are written by id. */
export const mysqlApiVersion = '2024-12-30';

/** The API version each type is spoken to with, by our clients and by a DELETE by id. */
export const apiVersions: Readonly<Record<string, string>> = {
  'Microsoft.Resources/resourceGroups': '2025-04-01',
  'Microsoft.Network/networkSecurityGroups': networkApiVersion,
  'Microsoft.Network/virtualNetworks': networkApiVersion,
  'Microsoft.Network/virtualNetworks/virtualNetworkPeerings': networkApiVersion,
  'Microsoft.Network/ddosProtectionPlans': networkApiVersion,
  'Microsoft.Network/publicIPAddresses': networkApiVersion,
  'Microsoft.Network/loadBalancers': networkApiVersion,
  'Microsoft.Network/networkInterfaces': networkApiVersion,
  'Microsoft.Network/privateEndpoints': networkApiVersion,
  'Microsoft.Network/privateEndpoints/privateDnsZoneGroups': networkApiVersion,
  'Microsoft.Network/privateDnsZones': '2020-06-01',
  'Microsoft.Network/privateDnsZones/virtualNetworkLinks': '2020-06-01',
  'Microsoft.Compute/availabilitySets': '2026-04-01',
  'Microsoft.Compute/virtualMachines': '2026-04-01',
  'Microsoft.ManagedIdentity/userAssignedIdentities': '2024-11-30',
  'Microsoft.KeyVault/vaults': '2026-02-01',
  'Microsoft.Authorization/roleAssignments': '2022-04-01',
  'Microsoft.DBforMySQL/flexibleServers': mysqlApiVersion,
};

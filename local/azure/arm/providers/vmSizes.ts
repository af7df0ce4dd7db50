/** The VM sizes that this copy of Azure offers: family, cores, GB of memory, disks. */
const families: Record<string, [size: string, cores: number, memoryGb: number, disks: number][]> = {
  standardBSFamily: [
    ['Standard_B1s', 1, 1, 2],
    ['Standard_B1ms', 1, 2, 2],
    ['Standard_B2s', 2, 4, 4],
    ['Standard_B2ms', 2, 8, 4],
    ['Standard_B4ms', 4, 16, 8],
    ['Standard_B8ms', 8, 32, 16],
  ],
  standardBsv2Family: [
    ['Standard_B2ls_v2', 2, 4, 4],
    ['Standard_B2s_v2', 2, 8, 4],
    ['Standard_B4s_v2', 4, 16, 8],
  ],
  standardBasv2Family: [
    ['Standard_B2als_v2', 2, 4, 4],
    ['Standard_B2as_v2', 2, 8, 4],
    ['Standard_B4as_v2', 4, 16, 8],
  ],
  standardDSv3Family: [
    ['Standard_D2s_v3', 2, 8, 4],
    ['Standard_D4s_v3', 4, 16, 8],
  ],
  standardDSv4Family: [['Standard_D2s_v4', 2, 8, 4]],
  standardDSv5Family: [
    ['Standard_D2s_v5', 2, 8, 4],
    ['Standard_D4s_v5', 4, 16, 8],
    ['Standard_D8s_v5', 8, 32, 16],
    ['Standard_D16s_v5', 16, 64, 32],
  ],
  standardDADSv5Family: [
    ['Standard_D2ads_v5', 2, 8, 4],
    ['Standard_D4ads_v5', 4, 16, 8],
  ],
  standardDASv5Family: [
    ['Standard_D2as_v5', 2, 8, 4],
    ['Standard_D4as_v5', 4, 16, 8],
  ],
  standardDDSv5Family: [
    ['Standard_D2ds_v5', 2, 8, 4],
    ['Standard_D4ds_v5', 4, 16, 8],
  ],
  standardFSv2Family: [
    ['Standard_F2s_v2', 2, 4, 4],
    ['Standard_F4s_v2', 4, 8, 8],
  ],
};

export interface VmSize {
  name: string;
  family: string;
  cores: number;
  memoryGb: number;
  disks: number;
}

export const vmSizes: VmSize[] = Object.entries(families).flatMap(([family, sizes]) =>
  sizes.map(([name, cores, memoryGb, disks]) => ({ name, family, cores, memoryGb, disks })),
);

export const vmFamilies = Object.keys(families);

export const findSize = (name: unknown): VmSize | undefined =>
  vmSizes.find((size) => size.name.toLowerCase() === String(name).toLowerCase());

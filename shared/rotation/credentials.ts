/**
 * What a rotation renews, in the order in which it does, each after the one before has ended well: the certificate first, without which
 * nobody can log in once it ends; then the administrator, who makes the accounts; nodes, who drain, last.
 */
export const credentials = ['certificate', 'mysqlAdministrator', 'controlAccount', 'guacadmin', 'nodeAccount'] as const;

export type Credential = (typeof credentials)[number];

/** What a rotate operation is asked to do; kept in its lease. */
export interface RotateOrder {
  credentials: Credential[];
}

/** Equal wishes give equal orders: once each, in the order of the work. */
export const orderOf = (asked: readonly Credential[]): RotateOrder => ({
  credentials: credentials.filter((one) => asked.includes(one)),
});

export const parseRotateOrder = (text: string): RotateOrder => JSON.parse(text) as RotateOrder;

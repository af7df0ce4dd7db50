/** What a scale operation is asked to do; kept in its lease. */
export interface ScaleOrder {
  count: number;
  /** Set when a person asked: from the operation's request on the count holds against the plan. */
  byHand?: { until: string | null };
}

export const parseScaleOrder = (text: string): ScaleOrder => JSON.parse(text) as ScaleOrder;

import { orderSummary } from '../../examples/shop/src/projections.ts'

/** What the projector under test runs: the fold of the shop, alone. */
export const projections = [orderSummary] as const

import { defineRoute } from '@fairlead/cdc'

/** Orders by region and customer; what nobody outside is to see goes nowhere. */
export const route = defineRoute((row) => {
  if (row.type === 'OrderTouched') return 'drop'
  if (row.aggregateType !== 'order') return {}
  const region = row.headers['region'] ?? 'eu'
  if (!/^[a-z]{2}$/.test(region)) throw new Error(`"${region}" is no region`)
  return { topic: `orders.${region}`, headers: { 'routed-by': 'regions' } }
})

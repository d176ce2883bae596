/** Why these brokers cannot hold a partition, in Kafka's words; undefined when they can. */
export function replicasProblem(
  brokerIds: readonly number[],
  brokerId: number,
): string | undefined {
  if (brokerIds.length === 0) {
    return 'The manual partition assignment includes an empty replica list.'
  }
  const seen = new Set<number>()
  for (const id of brokerIds) {
    if (seen.has(id)) {
      return `The manual partition assignment includes the broker ${id} more than once.`
    }
    seen.add(id)
  }
  const unknown = brokerIds.find((id) => id !== brokerId)
  if (unknown === undefined) return undefined
  return `The manual partition assignment includes broker ${unknown}, but no such broker is registered.`
}

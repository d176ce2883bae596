/** Maps the items, at most `limit` at a time. After a failure nothing further begins. */
export async function inParallel<Item, Result>(
  limit: number,
  items: Iterable<Item>,
  map: (item: Item) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = []
  const entries = [...items].entries()
  let hasFailed = false
  const worker = async () => {
    for (const [index, item] of entries) {
      if (hasFailed) return
      results[index] = await map(item)
    }
  }
  const workers = Array.from({ length: limit }, () =>
    worker().catch((error: unknown) => {
      hasFailed = true
      throw error
    }),
  )
  await Promise.all(workers)
  return results
}

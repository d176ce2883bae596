/** Runs `work` for every item, at most `concurrency` at a time; the first failure ends it. */
export async function forEachConcurrently<Item>(
  items: readonly Item[],
  concurrency: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const remaining = items.values()
  const workers = Array.from({ length: concurrency }, async () => {
    for (const item of remaining) await work(item)
  })
  await Promise.all(workers)
}

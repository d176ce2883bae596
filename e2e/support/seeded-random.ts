/** Small and repeatable (mulberry32): a failed run is run again with its seed. */
export function seededRandom(seed: number) {
  let state = seed >>> 0
  const int = (bound: number): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound
  }
  const shuffle = <Item>(items: readonly Item[]): Item[] => {
    const shuffled = [...items]
    for (let index = shuffled.length - 1; index > 0; index -= 1) {
      const other = int(index + 1)
      const item = shuffled[index] as Item
      shuffled[index] = shuffled[other] as Item
      shuffled[other] = item
    }
    return shuffled
  }
  const pick = <Item>(items: readonly Item[]): Item => items[int(items.length)] as Item
  return { int, pick, shuffle }
}

export type SeededRandom = ReturnType<typeof seededRandom>

import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'

/** Large enough that an event mostly dies in it, or is sent, before it is moved to the old one. */
const YOUNG_BYTES_MIN = 4_194_304
const POLL_MS = 50

/**
 * Keeps the heap near what is in use. V8 grows the heap of a process that allocates much to several
 * times of that before it collects, however little of it lives: 300 MB where the relay holds 30.
 * Called before the program is loaded: that alone would make the young generation as large as it gets.
 *
 * - The old generation is collected once it has grown by a quarter.
 * - The young one does not grow until `letYoungGenerationGrow`, and then to a quarter of its maximum.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--heap-growing-percent=25')
  setYoungGrowth(1)
}

export function letYoungGenerationGrow(): void {
  setYoungGrowth(2)
  const timer = setInterval(() => {
    const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')
    if (young === undefined || young.space_size < YOUNG_BYTES_MIN) return
    setYoungGrowth(1)
    clearInterval(timer)
  }, POLL_MS)
  timer.unref()
}

/** By what factor it grows when much in it survives. */
function setYoungGrowth(factor: 1 | 2): void {
  setFlagsFromString(`--semi-space-growth-factor=${factor}`)
}

/** Code under simulation reached for something that a seed does not determine. */
export class NotSimulated extends Error {
  override readonly name = 'NotSimulated'
}

type Poison = { readonly holder: string; readonly key: string; readonly instead: string }

const CLOCK = 'time comes from the Clock port'
const TIMERS = 'waiting goes through the Timers port'
const RANDOM = 'randomness comes from the Random port'
const CALLBACKS = 'a synchronous loop cannot drain promises: use callbacks'

/** `holder` is a property of the global object; '' is the global object itself. */
const POISONS: readonly Poison[] = [
  { holder: 'Date', key: 'now', instead: CLOCK },
  { holder: 'performance', key: 'now', instead: CLOCK },
  { holder: 'process', key: 'hrtime', instead: CLOCK },
  { holder: '', key: 'setTimeout', instead: TIMERS },
  { holder: '', key: 'setInterval', instead: TIMERS },
  { holder: '', key: 'setImmediate', instead: TIMERS },
  { holder: '', key: 'queueMicrotask', instead: TIMERS },
  { holder: 'process', key: 'nextTick', instead: TIMERS },
  { holder: 'Math', key: 'random', instead: RANDOM },
  { holder: 'crypto', key: 'getRandomValues', instead: RANDOM },
  { holder: 'crypto', key: 'randomUUID', instead: RANDOM },
  { holder: '', key: 'Promise', instead: CALLBACKS },
  { holder: '', key: 'fetch', instead: 'the network is simulated' },
]

/**
 * Runs `run` while the clocks, timers, promises and random numbers of the platform throw
 * `NotSimulated`, and puts them back afterwards, whatever happens.
 */
export function withPoisonedGlobals<Result>(run: () => Result): Result {
  const restores = [...POISONS.flatMap((poison) => setPoison(poison)), poisonDate()]
  try {
    return run()
  } finally {
    for (const restore of restores.reverse()) restore()
  }
}

function setPoison({ holder, key, instead }: Poison): readonly (() => void)[] {
  const owner: unknown = holder === '' ? globalThis : Reflect.get(globalThis, holder)
  if (typeof owner !== 'object' && typeof owner !== 'function') return []
  if (owner === null || !(key in owner)) return []
  const name = holder === '' ? key : `${holder}.${key}`
  const refuse = (): never => {
    throw new NotSimulated(`${name} was used in a simulation: ${instead}`)
  }
  // Called, constructed, or asked for a member (Promise.all, process.hrtime.bigint): all the same.
  const poisoned = new Proxy(refuse, { apply: refuse, construct: refuse, get: refuse })
  return [replace(owner, key, poisoned)]
}

/** `new Date(ms)` is a function of its argument; `new Date()` and `Date()` read the clock. */
function poisonDate(): () => void {
  const real: object = Reflect.get(globalThis, 'Date')
  const refuse = (): never => {
    throw new NotSimulated(`new Date() was used in a simulation: ${CLOCK}`)
  }
  const poisoned = new Proxy(real as new (...inputs: readonly unknown[]) => object, {
    apply: refuse,
    construct: (target, inputs) => (inputs.length === 0 ? refuse() : new target(...inputs)),
  })
  return replace(globalThis, 'Date', poisoned)
}

/** Returns the function that undoes it. */
function replace(owner: object, key: string, value: unknown): () => void {
  const original = Reflect.getOwnPropertyDescriptor(owner, key)
  Object.defineProperty(owner, key, { value, configurable: true, writable: true })
  return () => {
    if (original === undefined) Reflect.deleteProperty(owner, key)
    else Object.defineProperty(owner, key, original)
  }
}

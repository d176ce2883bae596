export {
  type CrashChoices,
  KEEP_UNSYNCED,
  LOSE_UNSYNCED,
  randomCrash,
} from './disk/crash-choices.ts'
export {
  type Completion,
  SimulatedDisk,
  type SimulatedFault,
  type SimulatedOperation,
} from './disk/simulated-disk.ts'
export { SeededRandom } from './seeded-random.ts'
export { Kernel, type RunLimits, SimulatedLife, type TracedEvent } from './kernel.ts'
export {
  type Accept,
  CALM_LINK,
  type LinkConditions,
  type SimulatedConnection,
  SimulatedNetwork,
} from './network/simulated-network.ts'
export type { ConnectionEvents } from './network/simulated-stream.ts'
export { NotSimulated, withPoisonedGlobals } from './poisoned-globals.ts'

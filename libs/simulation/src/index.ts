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

export {
  GroupCoordinator,
  type GroupCoordinatorApi,
  type GroupCoordinatorOptions,
  type ParkableContext,
} from './group-coordinator.ts'
export type * from './messages.ts'
export { STEP_BYTES_MAX } from './turn.ts'
export { offsetsPartition } from './offsets-partition.ts'
export type * from './types.ts'

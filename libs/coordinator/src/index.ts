export type { GroupCoordinatorApi, GroupCoordinatorOptions } from './group-coordinator.ts'
export type * from './messages.ts'
export type * from './types.ts'

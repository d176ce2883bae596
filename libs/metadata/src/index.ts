export type { Decision } from './decision.ts'
export type * from './messages.ts'
export { MetadataImage, type Partition, type Topic } from './metadata-image.ts'
export type * from './metadata-record.ts'

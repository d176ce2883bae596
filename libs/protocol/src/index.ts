export {
  APIS,
  type Api,
  type ApiName,
  type RequestBody,
  type RequestOf,
  type ResponseBody,
  type ResponseOf,
  apiByKey,
  requestFields,
} from './apis.ts'
export {
  BATCH_HEADER_BYTES,
  type BatchHeader,
  type CompressionType,
  type PositionedBatch,
  type TimestampType,
  batchCrc,
  readBatchHeader,
  setLogAppendTime,
  setMaxTimestamp,
  splitBatches,
  stampBatch,
  wholeBatchCrc,
} from './batch/batch-header.ts'
export { type RecordsSummary, checkRecords, visitRecords } from './batch/check-records.ts'
export { type Crc32c, combineCrc32c, crc32c } from './batch/crc32c.ts'
export { recompressBatch } from './batch/recompress.ts'
export {
  type DecodedRecord,
  type Decompress,
  type NewRecord,
  RECORD_BYTES_MIN,
  type RecordHeader,
  decodeRecords,
  decompressedRecords,
  encodeBatch,
} from './batch/records.ts'
export { RecordCursor } from './batch/record-cursor.ts'
export {
  type Compress,
  RetainedRecords,
  emptyBatch,
  rewriteBatch,
} from './batch/rewrite-batch.ts'
export { compressLz4 } from './compression/compress-lz4.ts'
export { compressSnappy } from './compression/compress-snappy.ts'
export { DecompressedTooLarge } from './compression/decompressed-too-large.ts'
export { decompressLz4 } from './compression/lz4.ts'
export { decompressSnappy } from './compression/snappy.ts'
export { type ErrorCode, codeOfError, errorOfCode, isRetriable } from './error-codes.ts'
export {
  type RequestHeader,
  type RequestStart,
  decodeRequest,
  decodeRequestHeader,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  openRequest,
  readBody,
  readClientId,
  refersToFrame,
} from './frames.ts'
export {
  GROUP_METADATA_KEY,
  GROUP_METADATA_VALUE,
  type GroupMetadataKey,
  type GroupMetadataValue,
  OFFSET_COMMIT_KEY,
  OFFSET_COMMIT_VALUE,
  type OffsetCommitKey,
  type OffsetCommitValue,
} from './records/group-records.ts'
export {
  type MetadataRecordOf,
  type MetadataRecordType,
  decodeMetadataRecord,
  encodeMetadataRecord,
} from './records/metadata-records.ts'
export {
  type VersionedSchema,
  decodeVersioned,
  encodeVersioned,
  versionOf,
} from './records/versioned.ts'
export { responseErrors } from './response-errors.ts'
export type { Field, Fields, Primitive } from './schema/field.ts'
export { includesVersion } from './schema/versions.ts'
export { ZERO_UUID, isUuid, uuidText, writeUuid } from './wire/uuid.ts'

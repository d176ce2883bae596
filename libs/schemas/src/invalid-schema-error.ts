/** Text that is no JSON Schema, or no Protobuf file; the message says where and why. */
export class InvalidSchemaError extends Error {
  override readonly name = 'InvalidSchemaError'
}

/** Schema text that is JSON but no Avro schema. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError'
  /** JSON pointer to the offending part. */
  readonly pointer: string

  constructor(message: string, pointer: string) {
    super(`${message} (at ${pointer === '' ? 'the top level' : pointer})`)
    this.pointer = pointer
  }
}

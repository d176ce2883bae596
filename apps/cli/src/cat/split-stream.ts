import { UsageError } from '../command/command.ts'

/**
 * The parts of a stream between delimiters; a last part without one counts, an empty rest does not.
 *
 * @throws {UsageError} for a part that is longer than `lengthBytesMax`.
 */
export async function* splitStream(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: { readonly delimiter: Uint8Array; readonly lengthBytesMax: number },
): AsyncGenerator<Uint8Array, void, void> {
  const { delimiter, lengthBytesMax } = options
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of chunks) {
    rest = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk])
    for (let end = rest.indexOf(delimiter); end >= 0; end = rest.indexOf(delimiter)) {
      yield new Uint8Array(rest.subarray(0, end))
      rest = rest.subarray(end + delimiter.length)
    }
    if (rest.length > lengthBytesMax) {
      throw new UsageError(`a record is larger than ${lengthBytesMax} bytes: is -D the delimiter?`)
    }
  }
  if (rest.length > 0) yield new Uint8Array(rest)
}

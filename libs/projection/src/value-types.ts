/** As `types` of a `pg` client or pool. */
export interface ValueTypes {
  getTypeParser(oid: number, format?: 'text' | 'binary'): unknown
}

/** OIDs of `pg_type`; fixed for ever. */
const INT8 = 20
const DATE = 1082

/**
 * How values of the server become those that projections declare: bigint as `bigint`, date as text (as a
 * `Date` it would be midnight in the time zone of the process), all others as `types`, those of `pg`, have them.
 */
export function valueTypes(types: ValueTypes): ValueTypes {
  return {
    getTypeParser: (oid, format) => {
      if (oid === INT8) return BigInt
      if (oid === DATE) return String
      return types.getTypeParser(oid, format)
    },
  }
}

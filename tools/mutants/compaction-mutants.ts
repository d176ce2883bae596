import type { Mutant } from './mutants.ts'

const FILTER = 'libs/log/src/compaction/batch-filter.ts'
const SWAP = 'libs/log/src/compaction/swap.ts'
const TESTS = ['libs/log/src/compaction']

/** Compaction, and how its segments take the place of others. */
export const COMPACTION_MUTANTS: readonly Mutant[] = [
  {
    invariant: 'L10',
    rule: 'the segments that a swap replaces are gone for sure before the new one has its name',
    file: SWAP,
    before: 'const deleted = yield* markDeleted(place, files)',
    after: 'const deleted = files',
    tests: TESTS,
  },
  {
    invariant: 'L10',
    rule: 'a swap that a crash interrupted is completed',
    file: SWAP,
    before: 'yield* completeSwap(place, swap)',
    after: '',
    tests: TESTS,
  },
  {
    invariant: 'L10',
    rule: 'what a compaction left behind that had not ended is removed',
    file: SWAP,
    before: '(name) => name.endsWith(CLEANED_SUFFIX) || name.endsWith(SWAP_SUFFIX),',
    after: '(name) => name.endsWith(SWAP_SUFFIX),',
    tests: TESTS,
  },
  {
    invariant: 'L10',
    rule: 'the cleaner checkpoint names the swap before it begins',
    file: 'libs/log/src/log-files.ts',
    before: 'this.#cleaner = { ...this.#cleaner, compactedTo, swap: range }',
    after: 'this.#cleaner = { ...this.#cleaner, compactedTo }',
    tests: TESTS,
  },
  {
    invariant: 'L11',
    rule: 'the latest record of a key stays',
    file: FILTER,
    before: "if (offset < latestOffset) return 'superseded'",
    after: "if (offset <= latestOffset) return 'superseded'",
    tests: TESTS,
  },
  {
    invariant: 'L11',
    rule: 'a tombstone stays until its time is over',
    file: FILTER,
    before: "if (record.hasValue || !this.#isPastHorizon(header)) return 'kept'",
    after: "if (record.hasValue) return 'kept'",
    tests: TESTS,
  },
  {
    invariant: 'L11',
    rule: 'records that the map does not cover are not judged',
    file: FILTER,
    before: "if (offset >= mapEndOffset) return 'kept'",
    after: '',
    tests: TESTS,
  },
  {
    invariant: 'L11',
    rule: 'the batch at the end of a round stays',
    file: FILTER,
    before: 'if (lastOffset + 1 === roundEndOffset) return true',
    after: '',
    tests: TESTS,
  },
  {
    invariant: 'L11',
    rule: 'the last batch of an active producer stays',
    file: FILTER,
    before: '? producer.lastDataOffset === lastOffset',
    after: '? producer.lastDataOffset < 0',
    tests: TESTS,
  },
  {
    invariant: 'L11',
    rule: 'the marker of a transaction stays until its time is over',
    file: FILTER,
    before: '? isMarkerOfNothing && this.#isPastHorizon(header)',
    after: '? isMarkerOfNothing',
    tests: TESTS,
  },
  {
    invariant: 'L11',
    rule: 'the marker of a transaction stays while records of it do',
    file: 'libs/log/src/compaction/cleaned-transactions.ts',
    before: 'return !this.#ongoingCommitted.delete(producerId)',
    after: 'return true',
    tests: TESTS,
  },
  {
    invariant: 'L11',
    rule: 'nothing above the last stable offset is touched',
    file: 'libs/log/src/compaction/plan.ts',
    before: 'segment.endOffset > state.lastStableOffset ||',
    after: '',
    tests: TESTS,
  },
  {
    invariant: 'L11',
    rule: 'records younger than min.compaction.lag.ms are not touched',
    file: 'libs/log/src/compaction/plan.ts',
    before: 'return newestMs > nowMs - minCompactionLagMs',
    after: 'return newestMs > nowMs',
    tests: TESTS,
  },
]

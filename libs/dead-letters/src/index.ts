export {
  type Actor,
  type CauseFilter,
  type DeadLetter,
  type DeadLetters,
  DeadLettersError,
  type DeadLettersOptions,
  type DryRun,
  type LetterSelection,
  type ParkedKey,
  type ReplayResult,
  createDeadLetters,
} from './dead-letters.ts'

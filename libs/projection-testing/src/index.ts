export { type ChaosOptions, type ChaosReport, type History, chaos } from './chaos.ts'
export { type Given, type GivenOptions, type Outcome, given } from './given.ts'
export { type ValueTypes, valueTypes } from '@fairlead/projection'
export { type WrittenEvent, eventWrittenWith } from './written-event.ts'

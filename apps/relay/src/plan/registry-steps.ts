import { RegistryError, type RegistryClient } from '@fairlead/serde'
import { errorMessage } from '@fairlead/base'
import type { RelayOptions } from '../options.ts'
import { type PlanStep, stepsOf } from './plan-step.ts'
import type { PlanFacts } from './read-plan-facts.ts'

/** Subjects that are there, and those that events register or need. */
export async function registrySteps(
  registry: Pick<RegistryClient, 'version'>,
  options: RelayOptions,
  facts: PlanFacts,
): Promise<readonly PlanStep[]> {
  const steps: PlanStep[] = []
  for (const subject of knownSubjects(options, facts)) {
    steps.push(await subjectStep(registry, subject))
  }
  return [...steps, ...dataSteps(options)]
}

/** Of captured tables and transactions: their topics are known, and Connect's Avro converter names subjects by them. */
function knownSubjects(
  { routing, transactionTopic }: RelayOptions,
  facts: PlanFacts,
): readonly string[] {
  const { key, value } = routing.converters
  const parts = [
    ...(key.kind === 'avro' ? ['key'] : []),
    ...(value.kind === 'avro' ? ['value'] : []),
  ]
  const captured = facts.capturedTables.map(({ table }) => `${routing.topicPrefix}.${table}`)
  const topics = transactionTopic === undefined ? captured : [...captured, transactionTopic]
  return topics.flatMap((topic) => parts.map((part) => `${topic}-${part}`))
}

async function subjectStep(
  registry: Pick<RegistryClient, 'version'>,
  subject: string,
): Promise<PlanStep> {
  const step = stepsOf('subject')
  try {
    const { version } = await registry.version(subject, 'latest')
    return step('keep', subject, `version ${version}`)
  } catch (error) {
    return error instanceof RegistryError && error.status === 404
      ? step('later', subject, 'registered with its first event')
      : step('unknown', subject, `the schema registry gives nothing: ${errorMessage(error)}`)
  }
}

function dataSteps({ routing, source }: RelayOptions): readonly PlanStep[] {
  const step = stepsOf('subject')
  if (source.tables.length === 0 && routing.messagePrefixes.length === 0) return []
  if (routing.documentSubject !== '') {
    const text = 'has to be there when an event needs it: its latest version encodes the payload'
    return [step('later', routing.documentSubject, text)]
  }
  const { key, value } = routing.converters
  const parts = [
    ...(key.kind === 'avro' ? ['key'] : []),
    ...(value.kind === 'avro' ? ['value'] : []),
  ]
  return parts.map((part) => step('later', '${topic}-' + part, 'registered as events need it'))
}

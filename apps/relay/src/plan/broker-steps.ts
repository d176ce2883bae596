import { errorMessage } from '@fairlead/base'
import { formatPosition } from '@fairlead/cdc'
import type { Admin, Reader } from '@fairlead/kafka'
import type { RelayOptions } from '../options.ts'
import { PositionTopic } from '../sink/position-topic.ts'
import { sourceName } from '../source/preflight.ts'
import { type PlanStep, stepsOf } from './plan-step.ts'
import type { PlanFacts } from './read-plan-facts.ts'

/** A list of names at most: a pattern names no topic. */
const NAME = /^(?:[a-zA-Z0-9_-]|\\\.)+$/

/** Somebody waits for the plan; each attempt of a client takes longer. */
const ANSWER_DEADLINE_MS = 5_000

/** What a plan asks the brokers. */
export type BrokersAsked = {
  readonly admin: Pick<Admin, 'ping' | 'listTopics' | 'partitionCount' | 'listOffsets'>
  readonly reader: Reader
}

/** Topics that are there, and those that a start, or an event, makes. */
export async function brokerSteps(
  brokers: BrokersAsked,
  options: RelayOptions,
  facts: PlanFacts,
): Promise<readonly PlanStep[]> {
  try {
    await brokers.admin.ping(ANSWER_DEADLINE_MS)
    return await topicSteps(brokers, options, facts)
  } catch (error) {
    const reason = `the brokers do not answer: ${errorMessage(error)}`
    return [stepsOf('topic')('unknown', '', reason)]
  }
}

async function topicSteps(
  brokers: BrokersAsked,
  options: RelayOptions,
  facts: PlanFacts,
): Promise<readonly PlanStep[]> {
  const { admin } = brokers
  const step = stepsOf('topic')
  const topics = new Set(await admin.listTopics())
  const steps = [...(await positionSteps(brokers, topics, options, facts))]
  for (const name of expectedTopics(options, facts)) {
    const count = topics.has(name) ? await admin.partitionCount(name) : undefined
    steps.push(
      count === undefined
        ? step('later', name, `with its first event: ${creationText(options, name)}`)
        : step('keep', name, `${count} partitions`),
    )
  }
  return [...steps, ...dataSteps(options)]
}

/** Names that do not come from data. */
function expectedTopics(options: RelayOptions, facts: PlanFacts): readonly string[] {
  const { routing, sink, transactionTopic } = options
  const captured = facts.capturedTables.map(({ table }) => `${routing.topicPrefix}.${table}`)
  const allowed = routing.allowedTopics.map(nameOf).filter((name) => name !== undefined)
  const letters = sink.deadLetterTopic === undefined ? [] : [sink.deadLetterTopic]
  const markers = transactionTopic === undefined ? [] : [transactionTopic]
  return [...captured, ...allowed, ...letters, ...markers]
}

/** A pattern for the whole of a name, of one name. */
function nameOf({ source }: RegExp): string | undefined {
  const name = source.slice('^(?:'.length, -')$'.length)
  return NAME.test(name) ? name.replaceAll('\\', '') : undefined
}

/** Topics that events name. */
function dataSteps(options: RelayOptions): readonly PlanStep[] {
  const step = stepsOf('topic')
  const { routing, routeModule, source } = options
  if (source.tables.length === 0 && routing.messagePrefixes.length === 0) return []
  const allowed = routing.allowedTopics
  const patterns = allowed.filter((pattern) => nameOf(pattern) === undefined)
  if (allowed.length > 0 && patterns.length === 0) return []
  const bound = allowed.length === 0 ? '' : ', if route.topic.include.list has them'
  const name = routeModule === undefined ? routing.topicReplacement : routeModule
  const groups = options.sink.topicCreation.hasGroups ? ', but for topic.creation.groups' : ''
  return [step('later', name, `as events name them${bound}: ${creationText(options, '')}${groups}`)]
}

function creationText({ sink, transactionTopic }: RelayOptions, topic: string): string {
  const settings = sink.topicCreation.settingsOf(topic)
  const partitions = topic === transactionTopic ? 1 : settings.partitions
  const configs = Object.entries(settings.configs).map(([name, value]) => `${name}=${value}`)
  return [
    `${countText(partitions)} ${partitions === 1 ? 'partition' : 'partitions'}`,
    `${countText(settings.replicationFactor)} replicas`,
    ...configs,
  ].join(', ')
}

function countText(count: number): string {
  return count < 0 ? "the brokers' default of" : `${count}`
}

/** See `KeptPosition`. */
async function positionSteps(
  brokers: BrokersAsked,
  topics: ReadonlySet<string>,
  { sink, source }: RelayOptions,
  { notes, orders }: PlanFacts,
): Promise<readonly PlanStep[]> {
  const step = stepsOf('topic')
  const noted = notes?.positionTopic ?? null
  const topic = sink.transactional?.positionTopic
  if (topic === undefined) {
    if (noted === null) return []
    return [step('change', noted, 'its position is not believed any more: delivery is idempotent')]
  }
  const isThere = topics.has(topic)
  const systemIdentifier = notes?.systemIdentifier ?? ''
  const name = sourceName({ system: { systemIdentifier } }, source.slotName)
  const position =
    noted === topic && isThere
      ? await new PositionTopic({ topic, source: name }).find(brokers)
      : undefined
  const isLost = noted === topic && position === undefined
  const isElsewhere = noted !== null && noted !== topic
  if ((isLost || isElsewhere) && orders.some(({ type }) => type === 'reset-position')) {
    return [step('change', topic, 'the topics of events tell what is published, as was ordered')]
  }
  if (isElsewhere) {
    const text = `the position of slot ${source.slotName} is in topic ${noted}: set offset.storage.topic back`
    return [step('halt', topic, text)]
  }
  if (isLost)
    return [step('halt', topic, 'the position is lost: see "fairlead relay reset-position"')]
  if (position !== undefined) {
    const text = `positions of transactional delivery: events are published up to ${formatPosition(position)}`
    return [step('keep', topic, text)]
  }
  return isThere
    ? [step('keep', topic, 'positions of transactional delivery')]
    : [step('create', topic, 'positions of transactional delivery: one partition, compacted')]
}

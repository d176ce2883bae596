import { errorMessage } from '@fairlead/base'
import type { ConfigFamily } from '@fairlead/service'

/** How a topic is made; -1 is the brokers' default. */
export type TopicSettings = {
  readonly partitions: number
  readonly replicationFactor: number
  /** Of the topic, such as `cleanup.policy`. */
  readonly configs: Readonly<Record<string, string>>
}

type TopicGroup = {
  readonly include: RegExp
  readonly exclude: RegExp
  readonly settings: TopicSettings
}

type TopicCreationConfig = {
  readonly 'topic.creation.groups': readonly string[]
  readonly 'topic.creation.default.partitions': number
  readonly 'topic.creation.default.replication.factor': number
  /** `<group>.<setting>` */
  readonly 'topic.creation.': ConfigFamily
}

const PREFIX = 'topic.creation.'
const DEFAULT_GROUP = 'default'
const INT32_MAX = 2 ** 31 - 1
const INT16_MAX = 32_767

/**
 * How topics are made that are not there, by their names: Kafka Connect's groups (KIP-158). The first group in the
 * order of `topic.creation.groups` whose `include` matches the whole name, and whose `exclude` does not, has it;
 * what it does not say of partitions and replicas is as in the group `default`, which has all other topics.
 * Settings of the topic itself are those of its group alone.
 */
export class TopicCreation {
  readonly #default: TopicSettings
  readonly #groups: readonly TopicGroup[]

  constructor(ofDefault: TopicSettings, groups: readonly TopicGroup[] = []) {
    this.#default = ofDefault
    this.#groups = groups
  }

  /** Of the group `default`. */
  get default(): TopicSettings {
    return this.#default
  }

  /** Topics are not made all alike. */
  get hasGroups(): boolean {
    return this.#groups.length > 0
  }

  settingsOf(topic: string): TopicSettings {
    const group = this.#groups.find(
      ({ include, exclude }) => include.test(topic) && !exclude.test(topic),
    )
    return group?.settings ?? this.#default
  }
}

/** @throws {Error} that names the key of what is wrong. */
export function parseTopicCreation(config: TopicCreationConfig): TopicCreation {
  const named = config['topic.creation.groups']
  if (new Set(named).size < named.length) {
    throw new Error('topic.creation.groups has a name twice: leave one of them out')
  }
  const byGroup = settingsByGroup(config[PREFIX], named)
  const ofDefault = new Map(byGroup.get(DEFAULT_GROUP))
  // It has what no other group has: Connect passes them over, too.
  for (const name of ['include', 'exclude']) ofDefault.delete(name)
  const settings = {
    partitions: checkedCount('default.partitions', config['topic.creation.default.partitions']),
    replicationFactor: checkedCount(
      'default.replication.factor',
      config['topic.creation.default.replication.factor'],
    ),
    configs: Object.fromEntries(ofDefault),
  }
  const groups = named
    .filter((name) => name !== DEFAULT_GROUP)
    .map((name) => groupOf(name, byGroup.get(name) ?? new Map(), settings))
  return new TopicCreation(settings, groups)
}

/** A group whose name has dots is found by its name: its settings have dots, too. */
function settingsByGroup(
  family: ConfigFamily,
  named: readonly string[],
): Map<string, Map<string, string>> {
  const groups = [...named, DEFAULT_GROUP].toSorted((left, right) => right.length - left.length)
  const byGroup = new Map<string, Map<string, string>>()
  for (const [key, text] of Object.entries(family)) {
    const group = groups.find((name) => key.startsWith(`${name}.`) && key !== `${name}.`)
    if (group === undefined) {
      throw new Error(
        `${PREFIX}${key} is of no group that topic.creation.groups names: add it there`,
      )
    }
    const settings = byGroup.get(group) ?? new Map<string, string>()
    byGroup.set(group, settings.set(key.slice(group.length + 1), text))
  }
  return byGroup
}

function groupOf(
  group: string,
  settings: ReadonlyMap<string, string>,
  orElse: TopicSettings,
): TopicGroup {
  const configs = new Map(settings)
  const take = (name: string): string | undefined => {
    const text = configs.get(name)
    configs.delete(name)
    return text
  }
  const key = (name: string) => `${group}.${name}`
  const include = wholeOf(key('include'), take('include'))
  const exclude = wholeOf(key('exclude'), take('exclude'))
  const partitions = numberOf(key('partitions'), take('partitions'), INT32_MAX)
  const replicas = numberOf(key('replication.factor'), take('replication.factor'), INT16_MAX)
  return {
    include,
    exclude,
    settings: {
      partitions: partitions ?? orElse.partitions,
      replicationFactor: replicas ?? orElse.replicationFactor,
      configs: Object.fromEntries(configs),
    },
  }
}

/** One expression of all of the list; of an empty one nothing. */
function wholeOf(key: string, list: string | undefined): RegExp {
  const items = (list ?? '')
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
  try {
    // One by one: what is no expression by itself could be one together with the others.
    const sources = items.map((item) => new RegExp(item).source)
    return sources.length === 0 ? /(?!)/ : new RegExp(`^(?:${sources.join('|')})$`)
  } catch (error) {
    throw new Error(`${PREFIX}${key}: ${errorMessage(error)}`, { cause: error })
  }
}

function numberOf(key: string, text: string | undefined, max: number): number | undefined {
  if (text === undefined) return undefined
  if (!/^-?\d{1,10}$/.test(text) || Number(text) > max) {
    throw new Error(`${PREFIX}${key} must be a number from 1 to ${max}, or -1, but is "${text}"`)
  }
  return checkedCount(key, Number(text))
}

function checkedCount(key: string, count: number): number {
  if (count === -1 || count >= 1) return count
  throw new Error(`${PREFIX}${key} must be at least 1, or -1 for the brokers' default`)
}

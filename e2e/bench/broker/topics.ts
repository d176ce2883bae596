import { createAdmin } from '@fairlead/kafka'
import type { BenchServer, Durability } from './servers.ts'

export type TopicShape = { readonly partitions: number; readonly durability: Durability }

/** Makes a topic on one server, gives its name to `use`, and deletes it. */
export async function withTopic<Result>(
  server: BenchServer,
  { partitions, durability }: TopicShape,
  use: (topic: string) => Promise<Result>,
): Promise<Result> {
  const topic = await createTopic(server, { partitions, durability })
  try {
    return await use(topic)
  } finally {
    const admin = adminOf(server)
    await admin.deleteTopics([topic])
    await admin.close()
  }
}

let created = 0

export async function createTopic(
  server: BenchServer,
  { partitions, durability }: TopicShape,
): Promise<string> {
  created += 1
  const topic = `bench-${created}`
  const admin = adminOf(server)
  await admin.ensureTopic({ topic, partitions, configs: server.topicConfigs[durability] })
  await admin.close()
  return topic
}

function adminOf(server: BenchServer) {
  return createAdmin({ bootstrapServers: [server.address], clientId: 'bench' })
}

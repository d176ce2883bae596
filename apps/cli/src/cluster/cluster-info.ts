import { type Command, EXIT } from '../command/command.ts'

export const CLUSTER_INFO: Command = {
  name: 'cluster info',
  summary: 'Shows the id of the cluster, its controller and its brokers.',
  positionals: '',
  positionalCount: { min: 0, max: 0 },
  options: {},
  async run({ admin, output }) {
    const { clusterId, controllerId, brokers } = await admin.describeCluster()
    output.object({ clusterId, controllerId, brokers: brokers.map((broker) => ({ ...broker })) }, [
      { title: '', text: `Cluster ${clusterId ?? '-'}  controller ${controllerId}\n` },
      {
        title: '',
        text: output.tableText(brokers, [
          { title: 'broker', value: ({ brokerId }) => brokerId, align: 'right' },
          { title: 'address', value: ({ host, port }) => `${host}:${port}` },
          { title: 'rack', value: ({ rack }) => rack ?? '' },
        ]),
      },
    ])
    return EXIT.ok
  },
}

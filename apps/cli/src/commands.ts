import { CLUSTER_INFO } from './cluster/cluster-info.ts'
import type { Command } from './command/command.ts'
import { EDIT_LETTER } from './dlq/edit-letter.ts'
import { LIST_REPLAYS } from './dlq/list-replays.ts'
import { DISCARD_LETTERS, REPLAY_LETTERS } from './dlq/order-letters.ts'
import {
  EXPORT_LETTERS,
  LIST_CAUSES,
  LIST_LETTERS,
  LIST_LETTER_ACTIONS,
  LIST_PARKED_KEYS,
  SHOW_LETTER,
} from './dlq/show-letters.ts'
import { DELETE_GROUPS, DELETE_OFFSETS, RESET_OFFSETS } from './group/change-groups.ts'
import { DESCRIBE_GROUP, GROUP_LAG, LIST_GROUPS } from './group/show-groups.ts'
import { DUMP_LOG } from './log/dump-log.ts'
import { REPAIR_LOG } from './log/repair-log.ts'
import { VERIFY_LOG } from './log/verify-log.ts'
import { DELETE_QUOTAS, SET_QUOTAS } from './quota/change-quotas.ts'
import { LIST_QUOTAS } from './quota/list-quotas.ts'
import {
  ABORT_REBUILD,
  PAUSE_PROJECTION,
  PROMOTE_PROJECTION,
  RESUME_PROJECTION,
  RETIRE_PROJECTION,
  ROLLBACK_PROJECTION,
} from './projection/change-projections.ts'
import { REBUILD_PROJECTION } from './projection/rebuild-projection.ts'
import {
  DESCRIBE_PROJECTION,
  LIST_PROJECTIONS,
  PROJECTION_LAG,
} from './projection/show-projections.ts'
import { ADD_TENANT, LIST_TENANTS } from './projection/tenants.ts'
import { VERIFY_PROJECTION } from './projection/verify-projection.ts'
import { IMPORT_DEBEZIUM } from './relay/import-debezium.ts'
import { DISCARD_PARKED, LIST_PARKED, REPLAY_PARKED, SHOW_PARKED } from './relay/parked-events.ts'
import { RELAY_DOCTOR } from './relay/doctor.ts'
import { RELAY_PLAN } from './relay/plan.ts'
import { RELAY_STATUS } from './relay/relay-status.ts'
import { REPLAY_TABLE } from './relay/replay-table.ts'
import { RESET_POSITION } from './relay/reset-position.ts'
import {
  PAUSE_SNAPSHOT,
  RESUME_SNAPSHOT,
  SNAPSHOT_STATUS,
  START_SNAPSHOT,
  STOP_SNAPSHOT,
} from './relay/snapshots.ts'
import {
  CREATE_SCHEMA,
  DELETE_SCHEMA,
  SCHEMA_COMPATIBILITY,
  SCHEMA_MODE,
} from './schema/change-schemas.ts'
import { CHECK_SCHEMAS } from './schema/check-schemas.ts'
import { EXPORT_SCHEMAS, IMPORT_SCHEMAS } from './schema/move-schemas.ts'
import { SCHEMA_DEFINITIONS } from './schema/schema-definitions.ts'
import { ADD_TAGS, LIST_TAGS, REMOVE_TAGS } from './schema/schema-tags.ts'
import { SCHEMA_TYPES } from './schema/schema-types.ts'
import { DIFF_SCHEMAS, GET_SCHEMA, LIST_SCHEMAS } from './schema/show-schemas.ts'
import { ADD_PARTITIONS, CREATE_TOPICS, DELETE_TOPICS, TRIM_TOPIC } from './topic/change-topics.ts'
import { DESCRIBE_TOPIC } from './topic/describe-topic.ts'
import { LIST_TOPICS } from './topic/list-topics.ts'
import { GET_TOPIC_CONFIGS, SET_TOPIC_CONFIGS } from './topic/topic-configs.ts'

/** Every command with the options that all commands share, in the order of the help. */
export const COMMANDS: readonly Command[] = [
  CLUSTER_INFO,
  LIST_TOPICS,
  DESCRIBE_TOPIC,
  CREATE_TOPICS,
  DELETE_TOPICS,
  ADD_PARTITIONS,
  TRIM_TOPIC,
  GET_TOPIC_CONFIGS,
  SET_TOPIC_CONFIGS,
  LIST_GROUPS,
  DESCRIBE_GROUP,
  GROUP_LAG,
  RESET_OFFSETS,
  DELETE_GROUPS,
  DELETE_OFFSETS,
  LIST_QUOTAS,
  SET_QUOTAS,
  DELETE_QUOTAS,
  LIST_LETTERS,
  LIST_PARKED_KEYS,
  LIST_CAUSES,
  SHOW_LETTER,
  REPLAY_LETTERS,
  LIST_REPLAYS,
  DISCARD_LETTERS,
  EDIT_LETTER,
  EXPORT_LETTERS,
  LIST_LETTER_ACTIONS,
  IMPORT_DEBEZIUM,
  RELAY_STATUS,
  RELAY_DOCTOR,
  RELAY_PLAN,
  LIST_PARKED,
  SHOW_PARKED,
  REPLAY_PARKED,
  DISCARD_PARKED,
  REPLAY_TABLE,
  RESET_POSITION,
  START_SNAPSHOT,
  SNAPSHOT_STATUS,
  PAUSE_SNAPSHOT,
  RESUME_SNAPSHOT,
  STOP_SNAPSHOT,
  LIST_PROJECTIONS,
  DESCRIBE_PROJECTION,
  PROJECTION_LAG,
  PAUSE_PROJECTION,
  RESUME_PROJECTION,
  REBUILD_PROJECTION,
  ABORT_REBUILD,
  VERIFY_PROJECTION,
  PROMOTE_PROJECTION,
  ROLLBACK_PROJECTION,
  RETIRE_PROJECTION,
  LIST_TENANTS,
  ADD_TENANT,
  LIST_SCHEMAS,
  GET_SCHEMA,
  CREATE_SCHEMA,
  CHECK_SCHEMAS,
  DIFF_SCHEMAS,
  DELETE_SCHEMA,
  SCHEMA_COMPATIBILITY,
  SCHEMA_MODE,
  EXPORT_SCHEMAS,
  IMPORT_SCHEMAS,
  LIST_TAGS,
  ADD_TAGS,
  REMOVE_TAGS,
  SCHEMA_TYPES,
  SCHEMA_DEFINITIONS,
  DUMP_LOG,
  VERIFY_LOG,
  REPAIR_LOG,
]

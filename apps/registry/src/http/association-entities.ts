import type { Association, AssociationsAnswer, Profile } from '@fairlead/schemas'
import { schemaEntity } from './entities.ts'

/** JSON bodies; members that have no value are left out. */

export function associationEntity(association: Association): object {
  const { subject, guid, resourceName, resourceNamespace, resourceId, resourceType } = association
  const { associationType, lifecycle, isFrozen, createTimestampMs, updateTimestampMs } = association
  return {
    subject,
    guid,
    resourceName,
    resourceNamespace,
    resourceId,
    resourceType,
    associationType,
    lifecycle,
    frozen: isFrozen,
    ...(createTimestampMs === undefined ? {} : { createTs: createTimestampMs }),
    ...(updateTimestampMs === undefined ? {} : { updateTs: updateTimestampMs }),
  }
}

/** The answer to a request for the associations of one resource. */
export function associationsEntity(
  { resource, associations }: AssociationsAnswer,
  profile: Profile,
): object {
  const { resourceName, resourceNamespace, resourceId, resourceType } = resource
  return {
    ...(resourceName === '' ? {} : { resourceName }),
    ...(resourceNamespace === '' ? {} : { resourceNamespace }),
    ...(resourceId === undefined ? {} : { resourceId }),
    resourceType,
    ...(associations.length === 0
      ? {}
      : {
          associations: associations.map(
            ({ subject, associationType, lifecycle, isFrozen, schema }) => ({
              subject,
              associationType,
              lifecycle,
              frozen: isFrozen,
              ...(schema === undefined ? {} : { schema: schemaEntity(schema, profile) }),
            }),
          ),
        }),
  }
}

import { compareText } from '@fairlead/avro'
import {
  ANY_NAME,
  type Association,
  type AssociationFilter,
  type AssociationKey,
  isWithin,
} from './association.ts'

/** All associations, by what they are asked for. It changes only in `set`. */
export class AssociationIndex {
  readonly #byKey = new Map<string, Association>()
  readonly #bySubject = new Map<string, Set<Association>>()
  readonly #byResourceId = new Map<string, Set<Association>>()
  readonly #byResourceName = new Map<string, Set<Association>>()

  set(key: AssociationKey, association: Association | null): void {
    const text = indexKey(key)
    const current = this.#byKey.get(text)
    if (current !== undefined) this.#each(current, removeFrom)
    if (association === null) this.#byKey.delete(text)
    else {
      this.#byKey.set(text, association)
      this.#each(association, addTo)
    }
  }

  get(key: AssociationKey): Association | undefined {
    return this.#byKey.get(indexKey(key))
  }

  ofSubject(subject: string, filter: AssociationFilter = {}): readonly Association[] {
    return found(this.#bySubject.get(subject), filter)
  }

  ofResourceId(resourceId: string, filter: AssociationFilter = {}): readonly Association[] {
    return found(this.#byResourceId.get(resourceId), filter)
  }

  /** Either may be `-`, which is any. */
  ofResource(
    { namespace, name }: { readonly namespace: string; readonly name: string },
    filter: AssociationFilter = {},
  ): readonly Association[] {
    const named = name === ANY_NAME ? this.#byKey.values() : this.#byResourceName.get(name)
    const all = found(named, filter)
    return namespace === ANY_NAME
      ? all
      : all.filter(({ resourceNamespace }) => resourceNamespace === namespace)
  }

  #each(
    association: Association,
    change: (index: Map<string, Set<Association>>, key: string, value: Association) => void,
  ): void {
    change(this.#bySubject, association.subject, association)
    change(this.#byResourceId, association.resourceId, association)
    change(this.#byResourceName, association.resourceName, association)
  }
}

function found(
  associations: Iterable<Association> | undefined,
  filter: AssociationFilter,
): readonly Association[] {
  return [...(associations ?? [])]
    .filter((association) => isWithin(filter, association))
    .sort(compareAssociations)
}

function compareAssociations(left: Association, right: Association): number {
  return (
    compareText(left.resourceName, right.resourceName) ||
    compareText(left.resourceNamespace, right.resourceNamespace) ||
    compareText(left.resourceType, right.resourceType) ||
    compareText(left.associationType, right.associationType) ||
    compareText(left.subject, right.subject)
  )
}

function indexKey(key: AssociationKey): string {
  const { resourceName, resourceNamespace, resourceType, associationType, subject } = key
  return JSON.stringify([resourceName, resourceNamespace, resourceType, associationType, subject])
}

function addTo(index: Map<string, Set<Association>>, key: string, value: Association): void {
  const held = index.get(key)
  if (held === undefined) index.set(key, new Set([value]))
  else held.add(value)
}

function removeFrom(index: Map<string, Set<Association>>, key: string, value: Association): void {
  const held = index.get(key)
  held?.delete(value)
  if (held?.size === 0) index.delete(key)
}

/** Keywords that tell what a schema without a type is, as Confluent's parser takes them. */
export const TYPE_KEYWORDS = [
  [
    'array',
    ['items', 'additionalItems', 'prefixItems', 'minItems', 'maxItems', 'uniqueItems', 'contains'],
  ],
  [
    'object',
    [
      'properties',
      'required',
      'minProperties',
      'maxProperties',
      'dependencies',
      'dependentRequired',
      'dependentSchemas',
      'patternProperties',
      'additionalProperties',
      'propertyNames',
    ],
  ],
  ['string', ['minLength', 'maxLength', 'pattern', 'format']],
  ['number', ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf']],
] as const

type WellKnown = { readonly packageName: string; readonly names: readonly string[] }

const GOOGLE_PROTOBUF = {
  any: 'Any',
  api: 'Api Method Mixin',
  descriptor:
    'FileDescriptorSet FileDescriptorProto DescriptorProto ExtensionRangeOptions FieldDescriptorProto OneofDescriptorProto EnumDescriptorProto EnumValueDescriptorProto ServiceDescriptorProto MethodDescriptorProto FileOptions MessageOptions FieldOptions OneofOptions EnumOptions EnumValueOptions ServiceOptions MethodOptions UninterpretedOption SourceCodeInfo GeneratedCodeInfo',
  duration: 'Duration',
  empty: 'Empty',
  field_mask: 'FieldMask',
  source_context: 'SourceContext',
  struct: 'Struct Value ListValue enum:NullValue',
  timestamp: 'Timestamp',
  type: 'Type Field Enum EnumValue Option enum:Syntax',
  wrappers:
    'DoubleValue FloatValue Int64Value UInt64Value Int32Value UInt32Value BoolValue StringValue BytesValue',
}

const GOOGLE_TYPE = {
  calendar_period: 'enum:CalendarPeriod',
  color: 'Color',
  date: 'Date',
  datetime: 'DateTime TimeZone',
  dayofweek: 'enum:DayOfWeek',
  decimal: 'Decimal',
  expr: 'Expr',
  fraction: 'Fraction',
  interval: 'Interval',
  latlng: 'LatLng',
  localized_text: 'LocalizedText',
  money: 'Money',
  month: 'enum:Month',
  phone_number: 'PhoneNumber',
  postal_address: 'PostalAddress',
  quaternion: 'Quaternion',
  timeofday: 'TimeOfDay',
}

function files(
  folder: string,
  packageName: string,
  table: Readonly<Record<string, string>>,
): (readonly [string, WellKnown])[] {
  return Object.entries(table).map(([name, names]) => [
    `${folder}/${name}.proto`,
    { packageName, names: names.split(' ').map((type) => type.replace(':', ' ')) },
  ])
}

/** Imports that resolve without a reference, as in Confluent's registry, and the types in them. */
export const WELL_KNOWN_TYPES: ReadonlyMap<string, WellKnown> = new Map([
  ...files('google/protobuf', 'google.protobuf', GOOGLE_PROTOBUF),
  ...files('google/type', 'google.type', GOOGLE_TYPE),
  ...files('confluent', 'confluent', { meta: 'Meta' }),
  ...files('confluent/type', 'confluent.type', { decimal: 'Decimal' }),
])

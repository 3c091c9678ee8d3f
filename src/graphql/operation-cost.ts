import {
  getNamedType, getNullableType, isAbstractType, isCompositeType, isInterfaceType, isListType,
  isObjectType, Kind, type DocumentNode, type FieldNode, type FragmentDefinitionNode,
  type GraphQLCompositeType, type GraphQLField, type GraphQLSchema, type OperationDefinitionNode,
  type SelectionNode, type SelectionSetNode, type ValueNode,
} from 'graphql';
import { LIST_LENGTH_MAX } from './page-sizes.ts';

/** What an operation takes of the program, at most, told before anything is executed. */
export interface Estimate {
  /** Reads of the database: root fields, and relations, which a loader reads once for a page. */
  readonly readCount: number;
  /** Objects of the answer. */
  readonly objectCount: number;
}

/** An answer of so many objects takes about as long as one read. */
export const OBJECTS_PER_POINT = 100;
/** The resolvers of introspection walk over the whole schema. */
const INTROSPECTION_READS = 10;
/**
 * Lists that no argument bounds are short: wallets of a client, fields of an input. Of variants
 * some products have many, and whoever asks may ask for those.
 */
const UNSIZED_LIST_LENGTH = 10;

/** Points of an operation; the least costs as much as one REST request. */
export function pointsOf({ readCount, objectCount }: Estimate): number {
  return Math.max(1, readCount + Math.floor(objectCount / OBJECTS_PER_POINT));
}

/**
 * How many objects an answer holds, by its JSON: it is written anyway, and to walk over a page took
 * a tenth of the time that the page took. A brace in a text counts too, and harms nobody.
 */
export function countObjects(json: string): number {
  let count = 0;
  for (let at = json.indexOf('{'); at >= 0; at = json.indexOf('{', at + 1)) count += 1;
  return count;
}

type Variables = Readonly<Record<string, unknown>>;

const NOTHING: Estimate = { readCount: 0, objectCount: 0 };

/**
 * Estimates one valid operation. Fragments are measured once, so the work is linear in the
 * document; what merges into one field is counted each time: too much, never too little.
 */
export class CostEstimate {
  readonly #schema: GraphQLSchema;
  readonly #operation: OperationDefinitionNode;
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly #measured = new Map<FragmentDefinitionNode, Estimate>();
  readonly #variables: Variables;
  readonly #variantCountMax: () => number;
  #isSized = false;
  #isFixed = true;

  constructor(
    schema: GraphQLSchema,
    document: DocumentNode,
    of: {
      readonly operation: OperationDefinitionNode;
      readonly variables: Variables | null;
      readonly variantCountMax: () => number;
    },
  ) {
    this.#schema = schema;
    this.#operation = of.operation;
    this.#variables = of.variables ?? {};
    this.#variantCountMax = of.variantCountMax;
    this.#fragments = new Map(document.definitions
      .filter((definition) => definition.kind === Kind.FRAGMENT_DEFINITION)
      .map((fragment) => [fragment.name.value, fragment]));
  }

  /** Whether a page, ids or variants are asked for: then the answer may be shorter. */
  get isSized(): boolean {
    return this.#isSized;
  }

  /** Whether it is the same with other variables and another catalogue. */
  get isFixed(): boolean {
    return this.#isFixed;
  }

  measure(): Estimate {
    const root = this.#schema.getRootType(this.#operation.operation) ?? null;
    return root === null ? NOTHING : this.#ofSelections(this.#operation.selectionSet, root);
  }

  #ofSelections({ selections }: SelectionSetNode, parent: GraphQLCompositeType): Estimate {
    let { readCount, objectCount } = NOTHING;
    for (const selection of selections) {
      const inside = this.#ofSelection(selection, parent);
      readCount += inside.readCount;
      objectCount += inside.objectCount;
    }
    return { readCount, objectCount };
  }

  #ofSelection(selection: SelectionNode, parent: GraphQLCompositeType): Estimate {
    if (selection.kind === Kind.FIELD) return this.#ofField(selection, parent);
    if (selection.kind === Kind.INLINE_FRAGMENT) {
      const type = this.#typeNamed(selection.typeCondition?.name.value) ?? parent;
      return this.#ofSelections(selection.selectionSet, type);
    }
    const fragment = this.#fragments.get(selection.name.value);
    return fragment === undefined ? NOTHING : this.#ofFragment(fragment);
  }

  #ofFragment(fragment: FragmentDefinitionNode): Estimate {
    const known = this.#measured.get(fragment);
    if (known !== undefined) return known;
    const type = this.#typeNamed(fragment.typeCondition.name.value);
    const measured = type === null ? NOTHING : this.#ofSelections(fragment.selectionSet, type);
    this.#measured.set(fragment, measured);
    return measured;
  }

  #typeNamed(name: string | undefined): GraphQLCompositeType | null {
    const type = name === undefined ? undefined : this.#schema.getType(name);
    return isCompositeType(type) ? type : null;
  }

  #ofField(node: FieldNode, parent: GraphQLCompositeType): Estimate {
    const name = node.name.value;
    if (name === '__schema' || name === '__type') {
      return { readCount: INTROSPECTION_READS, objectCount: 0 };
    }
    const field = isObjectType(parent) || isInterfaceType(parent)
      ? parent.getFields()[name]
      : undefined;
    if (field === undefined) return NOTHING;
    const readCount = this.#isRead(field, parent) ? 1 : 0;
    const type = getNamedType(field.type);
    if (!isCompositeType(type) || node.selectionSet === undefined) {
      return { readCount, objectCount: 0 };
    }
    const inside = this.#ofSelections(node.selectionSet, type);
    const length = this.#lengthOf(node, field, parent);
    return {
      readCount: readCount + inside.readCount,
      // A page is one object, with as many inside as were asked for.
      objectCount: type.name.endsWith('Connection')
        ? 1 + length * inside.objectCount
        : length * (1 + inside.objectCount),
    };
  }

  /** Root fields read; below them whatever leads to a thing of its own, or to a page of them. */
  #isRead(field: GraphQLField<unknown, unknown>, parent: GraphQLCompositeType): boolean {
    if (parent === this.#schema.getRootType(this.#operation.operation)) return true;
    if (/(?:Edge|Connection|Payload)$/.test(parent.name)) return false;
    const type = getNamedType(field.type);
    if (type.name.endsWith('Connection')) return true;
    const interfaces = isObjectType(type) ? type.getInterfaces() : [];
    return isAbstractType(type) || interfaces.some(({ name }) => name === 'Node');
  }

  #lengthOf(
    node: FieldNode,
    field: GraphQLField<unknown, unknown>,
    parent: GraphQLCompositeType,
  ): number {
    for (const argument of field.args) {
      if (!['first', 'last', 'ids'].includes(argument.name)) continue;
      const given = node.arguments?.find(({ name }) => name.value === argument.name)?.value;
      const value = given === undefined ? argument.defaultValue : this.#valueOf(given);
      if (value === undefined || value === null) continue;
      this.#isSized = true;
      const length = Array.isArray(value) ? value.length : Number(value);
      if (!Number.isFinite(length)) return LIST_LENGTH_MAX;
      return Math.min(Math.max(length, 0), LIST_LENGTH_MAX);
    }
    if (field.name === 'variants') {
      this.#isSized = true;
      this.#isFixed = false;
      return Math.max(this.#variantCountMax(), UNSIZED_LIST_LENGTH);
    }
    // The page was counted where its length is asked for.
    const isPage = parent.name.endsWith('Connection');
    return isListType(getNullableType(field.type)) && !isPage ? UNSIZED_LIST_LENGTH : 1;
  }

  #valueOf(node: ValueNode): unknown {
    if (node.kind === Kind.LIST) return node.values;
    if (node.kind !== Kind.VARIABLE) return 'value' in node ? node.value : undefined;
    this.#isFixed = false;
    const name = node.name.value;
    if (Object.hasOwn(this.#variables, name)) return this.#variables[name];
    const definition = this.#operation.variableDefinitions
      ?.find(({ variable }) => variable.name.value === name);
    return definition?.defaultValue === undefined
      ? undefined
      : this.#valueOf(definition.defaultValue);
  }
}

import {
  Kind, type DocumentNode, type FieldNode, type FragmentDefinitionNode,
  type OperationDefinitionNode, type SelectionNode, type SelectionSetNode,
} from 'graphql';

/** What an operation would do with all its fragments written out. */
export interface Extent {
  readonly depth: number;
  /** Levels below __schema or __type. */
  readonly introspectionDepth: number;
  readonly aliasCount: number;
  readonly directiveCount: number;
  /** How often one response name stands in one set of braces, at most. */
  readonly repeatCount: number;
  /** How often one stands in one place, with fragments written out, at most. */
  readonly mergedCount: number;
}

const NOTHING: Extent = {
  depth: 0, introspectionDepth: 0, aliasCount: 0, directiveCount: 0, repeatCount: 0,
  mergedCount: 0,
};

/**
 * Where selections stand: in braces of their own, in a fragment's, whose own spreads count wherever
 * it is spread, or in an inline part of what is around them.
 */
type Place = 'WHOLE' | 'FRAGMENT' | 'PART';

/** How often the response name of this field was counted, with this time. */
function countUp(counts: Map<string, number>, { alias, name }: FieldNode): number {
  const key = alias?.value ?? name.value;
  const count = (counts.get(key) ?? 0) + 1;
  counts.set(key, count);
  return count;
}

/** What the operations and fragments of one document would do. */
export class Measure {
  readonly #operations: readonly OperationDefinitionNode[];
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  /** Null while a fragment is being measured: whoever meets it then stands in a circle. */
  readonly #extents = new Map<string, Extent | null>();

  constructor(document: DocumentNode) {
    this.#operations = document.definitions
      .filter((definition) => definition.kind === Kind.OPERATION_DEFINITION);
    this.#fragments = new Map(document.definitions
      .filter((definition) => definition.kind === Kind.FRAGMENT_DEFINITION)
      .map((fragment) => [fragment.name.value, fragment]));
  }

  extentOf(selectionSet: SelectionSetNode, place: Place = 'WHOLE'): Extent {
    const extent = { ...NOTHING, mergedCount: this.#mergedIn(selectionSet, place) };
    const counts = new Map<string, number>();
    for (const selection of selectionSet.selections) {
      const inside = this.#insideOf(selection);
      extent.mergedCount = Math.max(extent.mergedCount, inside.mergedCount);
      extent.repeatCount = Math.max(extent.repeatCount, inside.repeatCount);
      extent.introspectionDepth = Math.max(extent.introspectionDepth, inside.introspectionDepth);
      extent.aliasCount += inside.aliasCount;
      extent.directiveCount += inside.directiveCount + (selection.directives?.length ?? 0);
      if (selection.kind !== Kind.FIELD) {
        extent.depth = Math.max(extent.depth, inside.depth);
        continue;
      }
      const below = selection.name.value.startsWith('__') ? 'introspectionDepth' : 'depth';
      extent[below] = Math.max(extent[below], inside.depth + 1);
      extent.aliasCount += selection.alias === undefined ? 0 : 1;
      const count = countUp(counts, selection);
      extent.repeatCount = Math.max(extent.repeatCount, count);
    }
    return extent;
  }

  #mergedIn(selectionSet: SelectionSetNode, place: Place): number {
    if (place === 'PART') return 0;
    const seen = new Set(place === 'FRAGMENT' ? this.#fragments.keys() : []);
    const counts = new Map<string, number>();
    let max = 0;
    for (const selection of this.selectionsOf(selectionSet, seen)) {
      if (selection.kind === Kind.FIELD) max = Math.max(max, countUp(counts, selection));
    }
    return max;
  }

  #insideOf(selection: SelectionNode): Extent {
    if (selection.kind === Kind.FRAGMENT_SPREAD) return this.#fragmentExtent(selection.name.value);
    if (selection.selectionSet === undefined) return NOTHING;
    return this.extentOf(selection.selectionSet,
      selection.kind === Kind.FIELD ? 'WHOLE' : 'PART');
  }

  #fragmentExtent(name: string): Extent {
    const known = this.#extents.get(name);
    if (known !== undefined) return known ?? NOTHING;
    const fragment = this.#fragments.get(name);
    if (fragment === undefined) return NOTHING;
    this.#extents.set(name, null);
    const inside = this.extentOf(fragment.selectionSet, 'FRAGMENT');
    const own = fragment.directives?.length ?? 0;
    const extent = { ...inside, directiveCount: inside.directiveCount + own };
    this.#extents.set(name, extent);
    return extent;
  }

  unusedFragments(): readonly FragmentDefinitionNode[] {
    const used = new Set<string>();
    const use = (node: SelectionSetNode): void => {
      for (const selection of node.selections) {
        if (selection.kind !== Kind.FRAGMENT_SPREAD) {
          if (selection.selectionSet !== undefined) use(selection.selectionSet);
        } else if (!used.has(selection.name.value)) {
          used.add(selection.name.value);
          const fragment = this.#fragments.get(selection.name.value);
          if (fragment !== undefined) use(fragment.selectionSet);
        }
      }
    };
    for (const operation of this.#operations) use(operation.selectionSet);
    return [...this.#fragments.values()].filter(({ name }) => !used.has(name.value));
  }

  /** Root fields by response name: what carries the same name is one field, executed once. */
  rootFieldsOf(selectionSet: SelectionSetNode): ReadonlyMap<string, string> {
    return new Map(this.selectionsOf(selectionSet)
      .filter((selection) => selection.kind === Kind.FIELD)
      .map(({ alias, name }) => [alias?.value ?? name.value, name.value]));
  }

  /** Everything that is selected in one place, spreads and what stands in their fragments alike. */
  selectionsOf(
    selectionSet: SelectionSetNode,
    seen = new Set<string>(),
    found: SelectionNode[] = [],
  ): readonly SelectionNode[] {
    for (const selection of selectionSet.selections) {
      found.push(selection);
      const inside = this.#writtenOut(selection, seen);
      if (inside !== undefined) this.selectionsOf(inside, seen, found);
    }
    return found;
  }

  /** What a fragment selects, where it was not seen before. */
  #writtenOut(selection: SelectionNode, seen: Set<string>): SelectionSetNode | undefined {
    if (selection.kind === Kind.FIELD) return undefined;
    if (selection.kind === Kind.INLINE_FRAGMENT) return selection.selectionSet;
    const name = selection.name.value;
    if (seen.has(name)) return undefined;
    seen.add(name);
    return this.#fragments.get(name)?.selectionSet;
  }
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Makes one call of many: what arrives while a call is under way goes with the next one, up to
 * `sizeMax`, and shares its commit. `run` answers in the order of its items. Where it fails, each
 * item goes again on its own, so that none suffers from its neighbours.
 */
export function together<Item, Result>(
  sizeMax: number,
  run: (items: readonly Item[]) => Promise<readonly Result[]>,
): (item: Item) => Promise<Result> {
  const queue: Waiting<Item, Result>[] = [];
  let isRunning = false;
  const runOne = async ({ item, resolve, reject }: Waiting<Item, Result>): Promise<void> => {
    try {
      const [result] = await run([item]);
      resolve(result as Result);
    } catch (error) {
      reject(error);
    }
  };
  const runAll = async (): Promise<void> => {
    while (queue.length > 0) {
      const batch = queue.splice(0, sizeMax);
      try {
        const results = await run(batch.map(({ item }) => item));
        batch.forEach(({ resolve }, at) => resolve(results[at] as Result));
      } catch (error) {
        if (batch.length === 1) batch[0]?.reject(error);
        else await Promise.all(batch.map(runOne));
      }
    }
    isRunning = false;
  };
  return (item) => new Promise((resolve, reject) => {
    queue.push({ item, resolve, reject });
    if (isRunning) return;
    isRunning = true;
    // With whatever else this turn of the event loop brings.
    setImmediate(() => void runAll());
  });
}

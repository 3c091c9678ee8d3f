/**
 * Asks once for all who want to know at the same time: whoever comes while a question is under way
 * gets its answer. Anybody may ask for health and metrics, and as often as they like.
 */
export function shareAnswer<Answer>(ask: () => Promise<Answer>): () => Promise<Answer> {
  let underWay: Promise<Answer> | null = null;
  return () => {
    underWay ??= ask().finally(() => { underWay = null; });
    return underWay;
  };
}

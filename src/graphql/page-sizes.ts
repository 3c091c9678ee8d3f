/** Edges of a connection at most; whoever wants all goes on behind the last cursor. */
export const FIRST_MAX = 100;
/** Ids that `nodes` takes at most: more at once would be a list. */
export const IDS_MAX = 100;
/** The longest list that an argument may ask for; what asks for more is refused by its field. */
export const LIST_LENGTH_MAX = Math.max(FIRST_MAX, IDS_MAX);

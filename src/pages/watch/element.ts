/** An element with a class and content; texts stay texts. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  className: string,
  ...content: readonly (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  made.className = className;
  made.append(...content);
  return made;
}

/** An element that the page has, by its id. */
export function part<Type extends HTMLElement>(id: string, type: new () => Type): Type {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`The page has no ${id}`);
  return found;
}

/** Changes a text. One that stays is not written again: a screen reader would say it again. */
export function say(node: HTMLElement, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

/** Shows for a moment that something has changed. */
export function flash(changed: HTMLElement): void {
  changed.classList.remove('changed');
  // Read to make the browser forget the last animation; without it nothing would begin anew.
  void changed.offsetWidth;
  changed.classList.add('changed');
}

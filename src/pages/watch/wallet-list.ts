import type { WalletEvent } from './documents.ts';
import { element, flash, part } from './element.ts';
import { showMoney } from './order-row.ts';

/** The client's wallets; a balance that changes says so for a moment. */
export class WalletList {
  readonly #list = part('wallets', HTMLUListElement);
  readonly #shown = new Map<number, HTMLLIElement>();

  show({ balance, wallet: { walletId } }: WalletEvent): void {
    const text = showMoney(balance);
    const known = this.#shown.get(walletId);
    if (known === undefined) {
      const added = element('li', 'wallet', text);
      this.#shown.set(walletId, added);
      this.#list.append(added);
    } else if (known.textContent !== text) {
      known.textContent = text;
      flash(known);
    }
  }
}

/** The choice of who asks, in the corner of the page. */
import { tryParseJSONC, useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { choose, type Identity, namesAuthorization, NOBODY, PASTED, useIdentity } from "./identity";
import { session } from "./session";

export function IdentitySwitcher() {
  const { who, pastedToken } = useIdentity();
  const { stop } = useGraphiQLActions();
  const isOverruled = useGraphiQL(({ tabs, activeTabIndex }) =>
    hasOwnAuthorization(tabs[activeTabIndex]?.headers),
  );

  /** A subscription that runs would go on as somebody else. */
  function change(chosen: Partial<Identity>) {
    stop();
    choose(chosen);
  }

  return (
    <div className="identity">
      {isOverruled && <span role="status">this tab’s own header wins</span>}
      <label>
        Ask as{" "}
        <select value={who} onChange={({ target }) => change({ who: target.value })}>
          <option value={NOBODY}>nobody (no token)</option>
          {session.tokens.map(({ label, permits }) => (
            <option key={label} value={label}>
              {label} ({permits})
            </option>
          ))}
          <option value={PASTED}>a token of your own</option>
        </select>
      </label>
      {who === PASTED && (
        <input
          type="password"
          aria-label="Token"
          placeholder="Paste a token"
          autoComplete="off"
          autoFocus={!pastedToken}
          value={pastedToken}
          onChange={({ target }) => change({ pastedToken: target.value })}
        />
      )}
    </div>
  );
}

function hasOwnAuthorization(headers: string | null | undefined) {
  try {
    return namesAuthorization(tryParseJSONC(headers || "{}") ?? {});
  } catch {
    return false; // still being typed; GraphiQL refuses to send it
  }
}

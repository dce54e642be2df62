/** What GraphiQL remembers: the theme for good, everything else while the window is open. */

const THEME_KEY = "graphiql:theme";

/** No token may stay on disk, so that tabs, their headers and the history go with the window. */
export const storage: Pick<Storage, "getItem" | "setItem" | "removeItem" | "clear" | "length"> = {
  getItem: (key) => storageOf(key).getItem(key),
  setItem: (key, value) => storageOf(key).setItem(key, value),
  removeItem: (key) => storageOf(key).removeItem(key),
  clear() {
    sessionStorage.clear();
    localStorage.removeItem(THEME_KEY);
  },
  get length() {
    return sessionStorage.length;
  },
};

function storageOf(key: string) {
  return key === THEME_KEY ? localStorage : sessionStorage;
}

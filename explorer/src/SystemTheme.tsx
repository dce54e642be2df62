/** Lets the editors follow when the system turns dark or light; GraphiQL asks it only once. */
import { useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { useEffect } from "react";

export function SystemTheme() {
  const theme = useGraphiQL((state) => state.theme);
  const { setTheme } = useGraphiQLActions();
  useEffect(() => {
    if (theme) return; // a chosen theme stays
    const system = matchMedia("(prefers-color-scheme: dark)");
    const follow = () => setTheme(null);
    system.addEventListener("change", follow);
    return () => system.removeEventListener("change", follow);
  }, [theme, setTheme]);
  return null;
}

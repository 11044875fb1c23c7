// Who is signed in, and the page where one signs in.
import { html, signal, useState } from "./vendor/ui.js";
import { ask, signedOut } from "./api.js";
import { Page, Trouble } from "./parts.js";

export const who = signal(null); // { owner, way, scopes }, null before it is known
export const may = (scope) => Boolean(who.value?.scopes.includes(scope));

export async function lookWho() {
  try {
    who.value = await ask("GET", "/api/session");
    signedOut.value = false;
  } catch (problem) {
    if (problem.status === 401) signedOut.value = true;
    else if (problem.status === 403) who.value = { owner: "", way: "", scopes: [] };
    else throw problem;
  }
}

export async function signOut() {
  await ask("DELETE", "/api/session");
  who.value = null;
  signedOut.value = true;
}

export function SignIn() {
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState(null);
  const submit = async (event) => {
    event.preventDefault();
    setProblem(null);
    try {
      await ask("POST", "/api/session", { body: { token: token.trim() } });
      await lookWho(); // by the cookie, which is what counts from here on
    } catch (refusal) {
      setProblem(refusal);
    }
  };
  return html`<${Page} title="Sign in">
    <form class="card narrow" onSubmit=${submit}>
      <label for="token">Token</label>
      <input id="token" type="password" autocomplete="current-password" required value=${token}
        aria-describedby="token-help" onInput=${(event) => setToken(event.target.value)} />
      <p id="token-help" class="help">A token makes who holds it known: <code>flask jobs token create</code> makes one,
        and says it once.</p>
      <${Trouble} problem=${problem} />
      <button class="strong">Sign in</button>
    </form>
  <//>`;
}

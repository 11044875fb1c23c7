"""Who may: tokens, scopes, per-job links, where a request came from, and what production refuses. Pure.

1. `api` asks `Tokens.caller` (a bearer token, the console's session) or `link.read` (a job's signed link)
who calls. 2. The `Caller` answers what they may do and which jobs they see; everybody else's job does not
exist for them. 3. A request that a browser could have been tricked into passes `origin.check` first. 4. At
start `refusals.check` looks at the whole configuration and names every finding at once.
"""

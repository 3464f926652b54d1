// What the scripts share: where the sandbox is, and a line for each thing that a client could do.

/** {url, credentials} of one CRM, as the sandbox told them. */
export function known(crm) {
  const told = JSON.parse(process.env.SANDBOX);
  return { url: told[`${crm}_url`], credentials: told.credentials[crm] };
}

/** Do one thing and say so; the first that fails ends the script. */
export async function step(what, act) {
  try {
    await act();
  } catch (error) {
    console.error(`FAILED  ${what}`);
    throw error;
  }
  console.log(`ok      ${what}`);
}

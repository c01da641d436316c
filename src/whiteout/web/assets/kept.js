// What this browser keeps of somebody's choices. Where it keeps nothing, they hold for the page.
export function read(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

export function keep(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Forbidden, or full.
  }
}

/** How somebody who is signed in shows that it is still them. */
export interface Proof {
  password?: string;
  code?: string;
}

// @ts-self-types="./ece.d.ts"
import ece from "ece";

export const { decrypt } = ece;

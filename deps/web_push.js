// @ts-self-types="./web_push.d.ts"
import webPush from "web-push";

export const { generateRequestDetails, generateVAPIDKeys, sendNotification } = webPush;

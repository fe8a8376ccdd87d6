// A photo becomes a small JPEG before it is kept: nothing of the camera's file is left, its place and time included.

const SIDE_MAX_PX = 1280;
const QUALITY = 0.8;

const load = async (file) => {
  if (window.createImageBitmap) return createImageBitmap(file, { imageOrientation: "from-image" });
  const image = new Image();
  image.src = URL.createObjectURL(file);
  await image.decode();
  return image;
};

export const toPhoto = async (file) => {
  const image = await load(file);
  const scale = Math.min(1, SIDE_MAX_PX / Math.max(image.width, image.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(image.width * scale));
  canvas.height = Math.max(1, Math.round(image.height * scale));
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  image.close?.();
  const photo = await new Promise((resolve) => { canvas.toBlob(resolve, "image/jpeg", QUALITY); });
  if (!photo) throw new Error("no picture");
  return photo;
};

import json
import re

import pytest
from tests.data.odd.sets import picture, write

from torchghm.data import check_data
from torchghm.data.evidence.other_tools import other_tool
from torchghm.data.folders.folder import DataFolder

CREATE_ML = [
    {"image": "a.jpg", "annotations": [{"label": "cat", "coordinates": {"x": 1, "y": 2, "width": 3, "height": 4}}]}
]
DATUMARO = {"info": {}, "categories": {"label": {}}, "items": [{"id": "a", "annotations": []}]}
SUPERVISELY = {"size": {"height": 80, "width": 100}, "objects": [{"classTitle": "cat", "geometryType": "rectangle"}]}
LABEL_STUDIO = [{"data": {"image": "a.jpg"}, "annotations": [{"result": [{"from_name": "label", "value": {}}]}]}]
LABELBOX = {"data_row": {"id": "1"}, "media_attributes": {}, "projects": {}}
BDD = [{"name": "a.jpg", "labels": [{"category": "car", "box2d": {"x1": 1, "y1": 2, "x2": 3, "y2": 4}}]}]
KITTI = """cat 0.00 0 -1.57 5.00 15.00 45.00 60.00 1.5 1.6 3.9 1.8 1.5 8.4 0.01
DontCare -1 -1 -10 5 9 7 9 -1 -1 -1 -1 -1 -1 -1
"""
RECORD = (500).to_bytes(8, "little") + bytes(4) + b"\x0a\x13\x0a\x0dimage/encoded"


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("labels/a.txt", KITTI, r"labels/a\.txt looks like KITTI's label files, not read; convert it with Datumaro"),
        ("annotations/default.json", json.dumps(DATUMARO), "Datumaro's own JSON"),
        ("train/_annotations.createml.json", json.dumps(CREATE_ML), "Create ML"),
        ("ds0/ann/a.jpg.json", json.dumps(SUPERVISELY), "Supervisely"),
        ("export.json", json.dumps(LABEL_STUDIO), "Label Studio"),
        ("export.ndjson.json", json.dumps(LABELBOX), "Labelbox"),
        ("det_train.json", json.dumps(BDD), "BDD100K"),
        ("train.tfrecord", RECORD, "TFRecord"),
        ("train.parquet", b"PAR1....", "Parquet"),
        ("labelTxt/a.txt", "imagesource:x\ngsd:0.1\n1 2 9 2 9 8 1 8 ship 0\n", "DOTA"),
        ("annotations/a.txt", "684,8,273,116,0,0,0,0\n406,119,265,70,1,4,0,0\n", "VisDrone"),
        ("gt/train_bbx_gt.txt", "0--Parade/a.jpg\n1\n449 330 122 149 0 0 0 0 0 0\n", "WIDER FACE"),
        ("Label/a.txt", "Traffic light 1.0 2.0 30.5 40.0\n", "OIDv4"),
        ("a.json", '[{"image": "a.jpg", "label": [{"original_width": 9, "rectanglelabels": ["cat"]}]}]', "JSON-MIN"),
        ("a.csv", 'image,id,label,annotator,annotation_id\na.jpg,1,"[]",1,1\n', "Label Studio's CSV"),
        ("export.ndjson", json.dumps(LABELBOX), "Labelbox"),
        ("tasks.json", '[{"task_id": "a", "response": {"annotations": []}}]', "Scale"),
        ("a.json", '{"version": "2.0", "item": {"slots": []}, "annotations": []}', "Darwin"),
        ("a.jpg.json", '{"metadata": {}, "instances": [{"className": "cat"}]}', "SuperAnnotate"),
        ("output.manifest", '{"source-ref": "s3://b/a.jpg"}\n', "Ground Truth"),
        ("train.odgt", '{"ID": "a", "gtboxes": []}\n', "CrowdHuman"),
        ("a.jsonl", '{"image_url": "a.jpg", "label": [{"topX": 0.1}]}\n', "Azure"),
        ("a.jsonl", '{"image": "a.jpg", "suffix": "<loc0001> cat"}\n', "PaliGemma"),
        ("via.csv", "filename,file_size,region_shape_attributes,region_attributes\n", "VIA's CSV"),
        ("a.csv", "TRAIN,gs://b/a.jpg,cat,0.1,0.1,,,0.2,0.2,,\n", "AutoML"),
        ("a.csv", 'image_id,width,height,bbox\na,9,9,"[1, 2, 3, 4]"\n', "boxes in one column"),
        ("a.csv", "image,X,Y,W,H,label\n", "boxes by their sides"),
        ("a.csv", "\ufefflabel_name,bbox_x,bbox_y,bbox_width,bbox_height\n", "boxes by their sides"),
        ("a.csv", "cat,1,2,3,4,a.jpg,100,80\n", "MakeSense"),
        ("a.csv", "image,label,left,width,top,height\n", "boxes by their sides"),
        ("samples.json", '{"samples": [{"d": {"_cls": "Detection", "bounding_box": [0.1, 0, 1, 1]}}]}', "FiftyOne"),
        ("labels.json", '{"labels": {"a": [{"label": 0, "bounding_box": [0.1, 0.1, 0.2, 0.2]}]}}', "FiftyOne"),
        ("a-export.json", '{"assets": {"1": {"regions": [{"boundingBox": {"left": 1}}]}}}', "VoTT"),
        ("1-asset.json", '{"asset": {}, "regions": [{"boundingBox": {"left": 1}}]}', "VoTT"),
        ("via.json", '{"metadata": {"1": {"vid": "1", "xy": [2, 1, 1, 5, 5], "av": {"1": "0"}}}}', "VIA 3"),
        ("gtFine/train/x/a.json", '{"imgHeight": 9, "objects": [{"label": "car", "polygon": []}]}', "Cityscapes"),
        ("a.geojson", '{"features": [{"properties": {"bounds_imcoords": "1,2,3,4"}}]}', "xView"),
        ("Annotation/a.txt", "# Compatible with PASCAL Annotation Version 1.00\n", "Penn-Fudan"),
        ("train/x/gt/gt.txt", "1,1,912,484,97,109,0,7,1\n2,1,912,484,97,109,0,7,1\n", "MOT"),
        ("a.xml", "<sequence><frame><target_list></target_list></frame></sequence>", "UA-DETRAC"),
        ("gt.txt", "00000.ppm;774;411;815;446;11\n", "GTSDB"),
        ("train/_annotations.txt", "a.jpg 10,10,40,50,0 50,20,90,70,1\nb.jpg\n", "a list of images with boxes"),
    ],
)
def test_a_layout_of_another_tool_is_named_with_a_remedy(tmp_path, name, content, told):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (problem,) = check_data(tmp_path).problems
    assert problem.what == "unusable-folder"
    assert re.search(told, problem.detail), problem.detail


def test_lists_with_boxes_are_no_label_files(tmp_path):
    write(tmp_path / "classes.txt", "cat\n")
    write(tmp_path / "train.txt", "images/a.jpg 10,10,40,50,0\n")
    picture(tmp_path / "images/a.jpg")
    (problem,) = check_data(tmp_path).problems
    assert "a list of images with boxes" in problem.detail


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "0 0.1 0.2 0.3 0.4\n"),
        ("notes.txt", "hello\n"),
        ("empty.txt", ""),
        ("a.json", "{}"),
        ("a.csv", ""),
        ("a.csv", "x,y\n"),
        ("a.txt", "0 0.1 0.2 0.3 0.4\n1 0.1 0.1 0.9 0.1 0.9 0.9 0.1 0.9\n"),
        ("train.txt", "images/a.jpg\nimages/b.jpg\n"),
    ],
)
def test_anything_else_is_not(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    assert other_tool(DataFolder(tmp_path)) == ""


def test_a_link_out_of_the_folder_is_not_looked_at(tmp_path):
    (tmp_path / "outside.txt").write_text(KITTI)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.txt").symlink_to(tmp_path / "outside.txt")
    assert other_tool(DataFolder(tmp_path / "data")) == ""
